"""The teacher: a pretrained language model that reads query and Pin together and answers with five levels."""
