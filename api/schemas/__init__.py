"""What the OpenAPI page says of answers. A test holds these alike with what is really answered."""
