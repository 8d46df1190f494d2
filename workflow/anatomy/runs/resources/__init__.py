"""What a job needs of a machine: memory, time, threads, GPUs; asked for before it starts, and taken while it runs."""
