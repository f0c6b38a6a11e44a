"""What the command says, in English and in Simplified Chinese."""
