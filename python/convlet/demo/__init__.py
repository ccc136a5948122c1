"""A page on which a drawn digit is classified while it is drawn: `convlet demo`."""
