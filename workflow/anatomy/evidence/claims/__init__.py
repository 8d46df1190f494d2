"""Claims of papers, the evidence that decides them, the rules that turn one into a verdict, and the ledger."""
