"""Taking in what people bring: networks by name, as files or from code, and what is found out before they count."""
