"""`python -m hwprof`."""

if __name__ == "__main__":
    from hwprof.cli import main

    main()
