"""The code that workspace.ipynb and playground.ipynb share."""
