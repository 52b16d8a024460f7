"""What a training costs: arithmetic, memory and time, known before it runs."""
