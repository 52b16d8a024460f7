"""Transfer learning: where a pretrained network comes from, and the phases in which it is trained on."""
