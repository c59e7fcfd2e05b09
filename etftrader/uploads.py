"""A cap on uploads that holds while the bytes arrive: Django's own limit does not count files."""

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

MAX_FILE_BYTES = 10_000_000


class CappedUploadHandler(FileUploadHandler):
    """Stops reading a request whose files are larger than we accept."""

    def handle_raw_input(self, input_data, META, content_length, boundary, encoding=None):
        """Refuse by the announced length, before a byte is read."""
        if content_length > MAX_FILE_BYTES + 100_000:
            raise RequestDataTooBig("A file may have 10 MB.")

    def receive_data_chunk(self, raw_data, start):
        """Refuse by what has really arrived."""
        if start + len(raw_data) > MAX_FILE_BYTES:
            # nobody else tells the handler that has been writing what came so far to disk
            for handler in self.request.upload_handlers:
                handler.upload_interrupted()
            raise RequestDataTooBig("A file may have 10 MB.")
        return raw_data

    def file_complete(self, file_size):
        """Leave the file to the next handler."""
        return None
