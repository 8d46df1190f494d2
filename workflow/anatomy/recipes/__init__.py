"""Papers as recipes: which variants, in which phase, judged by which claims."""
