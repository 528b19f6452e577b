"""What is around every page: menu, charts' component, logs and timers."""
