"""Adobe Event Forwarding: one Edge Network call through the rules of a property, as Adobe's own engine runs them."""
