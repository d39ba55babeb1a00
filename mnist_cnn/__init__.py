"""What both notebooks share: MNIST's files, the network, its distortions, figures and handwriting."""
