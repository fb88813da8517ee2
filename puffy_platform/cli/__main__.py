from puffy_platform.cli import main

main()
