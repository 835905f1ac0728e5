"""Static findings about properties, event files and scenarios: one small rule a function, registered by name."""
