import hashlib
import http.server
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from course_files import download
from course_files.opening import DataError


@pytest.fixture
def server(tmp_path):
    """A local web server: /good, /slow (never answers); yields its address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/slow":
                time.sleep(5)
                return
            self.send_response(200)
            self.send_header("Content-Length", "4" if self.path == "/good" else "9")
            self.end_headers()
            self.wfile.write(b"data")

        def log_message(self, *arguments):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()


MD5 = hashlib.md5(b"data").hexdigest()


def test_download_tries_every_mirror_and_checks(tmp_path, server):
    download.download([f"{server}/short", f"{server}/good"], tmp_path / "sub" / "file", MD5)
    assert (tmp_path / "sub" / "file").read_bytes() == b"data"
    assert os.listdir(tmp_path / "sub") == ["file"]


def test_download_of_a_wrong_or_truncated_file_leaves_nothing(tmp_path, server):
    whole = hashlib.md5(b"data and more").hexdigest()
    for url, md5 in ((f"{server}/good", "0" * 32), (f"{server}/short", whole)):
        with pytest.raises(DataError, match="could not be downloaded"):
            download.download([url], tmp_path / "file", md5)
    assert os.listdir(tmp_path) == []


def test_offline_is_one_clear_error_and_no_folder(tmp_path):
    with pytest.raises(DataError) as error:
        download.download(["http://127.0.0.1:9/x.zip"], tmp_path / "new" / "x.zip", MD5)
    message = str(error.value)
    assert "x.zip is not in" in message and "http://127.0.0.1:9/x.zip" in message and "\n" not in message
    assert "'glyphs' and 'digits' need no download" in message and not (tmp_path / "new").exists()


def test_a_server_that_never_answers_is_given_up(tmp_path, server, monkeypatch):
    assert download.PATIENCE <= 20
    monkeypatch.setattr(download, "PATIENCE", 1)
    start = time.monotonic()
    with pytest.raises(DataError, match="could not be downloaded"):
        download.download([f"{server}/slow", f"{server}/slow"], tmp_path / "file", MD5)
    assert time.monotonic() - start < 3


def test_a_name_server_that_never_answers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(download.urllib.request, "urlopen", lambda *a, **k: time.sleep(5))
    monkeypatch.setattr(download, "PATIENCE", 1)
    start = time.monotonic()
    with pytest.raises(DataError, match="no answer within 1 s"):
        download.download(["http://x/y"], tmp_path / "file", MD5)
    assert time.monotonic() - start < 3


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")       # the child touches no lock
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, to become another user where need be")
def test_read_only_data_folder(server):
    """The administrator may write anywhere; so, if that is who runs the tests, a child becomes nobody first."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            download.download([f"{server}/good"], folder / "omniglot" / "file", MD5)
            message = "written"
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"
        os.write(writer, message.encode())
        os._exit(0)
    os.close(writer)
    message = os.read(reader, 10_000).decode()
    os.waitpid(child, 0)
    assert message.startswith("PermissionError: cannot write file into") and "COURSE_DATA" in message
    assert os.listdir(folder) == []
    folder.rmdir()
