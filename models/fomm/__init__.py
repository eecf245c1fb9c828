"""The First Order Motion Model (Siarohin et al. 2019) with the official checkpoints."""
