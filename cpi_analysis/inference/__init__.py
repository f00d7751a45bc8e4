"""What is right with few agencies: plain functions of arrays, shared by the analyses."""
