"""The demo model: the scenes it draws, its training, and the judge of its pictures."""
