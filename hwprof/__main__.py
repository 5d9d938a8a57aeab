"""`python -m hwprof`."""

from hwprof.cli import main

if __name__ == "__main__":
    main()
