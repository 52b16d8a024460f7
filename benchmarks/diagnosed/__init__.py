"""Parts of `benchmarks/diagnosis.py`: cases, how they are trained, judged and repaired, and what is printed."""
