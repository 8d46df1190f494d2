"""What a run will take, before anything of it is computed: jobs, tokens, time, memory, disk."""
