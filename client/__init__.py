"""The command line: plays leagues, follows runs, writes reports, all over gRPC."""
