"""``python -m ordersearch``."""

from ordersearch.cli import main

if __name__ == "__main__":
    main()
