"""Repair of recorded runs: trials below one run, what they proved, the recipe that came of it, a page that explains."""
