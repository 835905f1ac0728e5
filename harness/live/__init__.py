"""What is sent to a real project and read back from it: the gate, the sender, the journal, and the comparison after."""
