"""What the examples are called with when the documentation is built.

It has a file of its own, since sphinx keeps the settings by pickling them.
"""


def small_size(gallery_conf: object, script_vars: object) -> list[str]:
    """Give the arguments of a size at which all examples take a minute."""
    return ["--n-samples", "1000", "--max-epochs", "5"]
