"""The mechanism battery: every instrument on one model and one question, and where they agree."""
