"""What the experiment is: every option, typed, documented once."""
