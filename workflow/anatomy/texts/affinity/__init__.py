"""Human-corpus affinity: how near texts lie to human ones. PASTA names it and defines it nowhere; the definitions are ours."""
