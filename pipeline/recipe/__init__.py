"""The recipe: its schema, one file a section, and how it is loaded and checked."""
