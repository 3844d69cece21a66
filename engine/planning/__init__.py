"""What is to come, simulated: when open runs will end, and how many slots a day needs."""
