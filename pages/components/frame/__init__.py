"""What is around every page: menu, charts' component, log, timers and garbage."""
