"""A small service that recognises handwritten digits."""
