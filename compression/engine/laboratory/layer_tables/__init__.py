"""Tables of what each layer costs and loses at each level of each technique."""
