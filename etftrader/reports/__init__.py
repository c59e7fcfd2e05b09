"""Documents people take with them: what one says, and each way of writing it down."""
