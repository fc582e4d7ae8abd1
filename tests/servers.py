"""Servers that the tests start themselves: unprivileged, on a unix socket in a temporary folder."""

from __future__ import annotations

import atexit
import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any


class ServerMissing(Exception):
    """The server's programs are not installed; the message says how to get them."""


def _unprivileged_user(server: str, names: tuple[str, ...]) -> str | None:
    """The user to run ``server`` as, or None: who runs the tests will do."""
    if os.getuid() != 0:
        return None
    for name in names:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ServerMissing(f"{server} doesn't run as root, and there is no user {' or '.join(names)}")


def _as_user(command: list[str], user: str | None) -> list[str]:
    return command if user is None else ["runuser", "-u", user, "--", *command]


def _run(command: list[object], directory: Path, user: str | None, check: bool = True) -> None:
    words = _as_user([str(word) for word in command], user)
    done = subprocess.run(
        words, cwd=directory, check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} failed:\n{done.stdout}")


class PostgreSQL:
    """A PostgreSQL server of its own, thrown away at the end."""

    def __init__(self) -> None:
        self._bin = self._find_programs()
        self.directory = Path(tempfile.mkdtemp(prefix="cache_me_pg_"))
        self._user = _unprivileged_user("PostgreSQL", ("postgres", "nobody"))
        if self._user is not None:
            shutil.chown(self.directory, self._user)
        self._data = self.directory / "data"
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self._options = (
            f"-k {self.directory} -c listen_addresses= -c fsync=off -c max_prepared_transactions=5"
        )
        self.start()
        atexit.register(self.stop)

    @property
    def host(self) -> str:
        return str(self.directory)

    def has(self, extension: str) -> bool:
        """Whether it could create that extension."""
        return any(Path("/usr/share/postgresql").glob(f"*/extension/{extension}.control"))

    def make_database(self, name: str, extension: str = "hstore") -> None:
        try:
            import psycopg
        except ImportError:
            import psycopg2 as psycopg
        for database, statement in (
            ("postgres", f"CREATE DATABASE {name}"),
            (name, f"CREATE EXTENSION {extension}"),
        ):
            connection = psycopg.connect(host=self.host, user="postgres", dbname=database)
            connection.autocommit = True
            with contextlib.closing(connection), connection.cursor() as cursor:
                cursor.execute(statement)

    def start(self) -> None:
        log = self.directory / "log"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", self._options, "start")

    def kill(self) -> None:
        """Stop it at once, as a crash does; :meth:`start` recovers it."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop", check=False)

    def stop(self) -> None:
        atexit.unregister(self.stop)
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _run(self, program: str, *arguments: object, check: bool = True) -> None:
        _run([self._bin / program, *arguments], self.directory, self._user, check)

    @staticmethod
    def _find_programs() -> Path:
        found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
        found.sort(key=lambda path: float(path.split("/")[4]))
        if found:
            return Path(found[-1]).parent
        on_path = shutil.which("initdb")
        if on_path:
            return Path(on_path).resolve().parent
        raise ServerMissing("PostgreSQL is not installed; get it with: apt-get install postgresql")


class MariaDB:
    """A MariaDB server of its own on a unix socket, thrown away at the end.

    Only a ``durable`` one keeps each commit that it has returned, should it be killed.
    """

    def __init__(self, durable: bool = False) -> None:
        self._install = shutil.which("mariadb-install-db")
        self._server = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if self._install is None or self._server is None:
            raise ServerMissing("MariaDB is not installed; get it with: apt-get install mariadb-server")
        self.directory = Path(tempfile.mkdtemp(prefix="cache_me_maria_"))
        self.socket = str(self.directory / "maria.sock")
        self._user = _unprivileged_user("MariaDB", ("mysql", "nobody"))
        if self._user is not None:
            shutil.chown(self.directory, self._user)
        data = self.directory / "data"
        # A server that starts deletes all temporary tables in its folder for them, those of others too.
        scratch = self.directory / "tmp"
        scratch.mkdir()
        if self._user is not None:
            shutil.chown(scratch, self._user)
        _run(
            [self._install, "--no-defaults", f"--datadir={data}", f"--tmpdir={scratch}",
             "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"],
            self.directory, self._user,
        )  # fmt: skip
        # As roomy as the tests are small.
        self._command = [
            self._server, "--no-defaults", f"--datadir={data}", f"--tmpdir={scratch}",
            f"--socket={self.socket}",
            f"--pid-file={self.directory / 'pid'}", f"--log-error={self.directory / 'log'}",
            "--skip-networking", "--character-set-server=utf8mb4",
            f"--innodb-flush-log-at-trx-commit={int(durable)}",
            "--innodb-buffer-pool-size=32M", "--innodb-doublewrite=0",
            f"--innodb-log-file-size={8 << 20}", "--innodb-lock-wait-timeout=20",
        ]  # fmt: skip
        atexit.register(self.stop)
        self.start()
        self._load_time_zones()

    def start(self) -> None:
        self._process = subprocess.Popen(
            _as_user(self._command, self._user), cwd=self.directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        give_up = time.monotonic() + 60
        while not os.path.exists(self.socket):
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"mariadbd did not start:\n{(self.directory / 'log').read_text()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Stop it at once, as a crash does; :meth:`start` recovers it."""
        os.kill(int((self.directory / "pid").read_text()), signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)

    def make_database(self, name: str) -> None:
        import pymysql

        with contextlib.closing(pymysql.connect(unix_socket=self.socket, user="root")) as connection:
            cursor = connection.cursor()
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")

    def _load_time_zones(self) -> None:
        """Those that the tests name: all of them would take seconds."""
        client, program = shutil.which("mariadb"), shutil.which("mariadb-tzinfo-to-sql")
        for zone in ("UTC", "Europe/Berlin"):
            sql = subprocess.run(
                [str(program), f"/usr/share/zoneinfo/{zone}", zone], check=True, stdout=subprocess.PIPE
            ).stdout
            subprocess.run(
                [str(client), "--socket", self.socket, "-u", "root", "mysql"], check=True, input=sql
            )

    def stop(self) -> None:
        atexit.unregister(self.stop)
        # runuser stays the parent of the server, and hands SIGTERM on, not SIGKILL.
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Redis:
    """A Redis server of its own on a unix socket, without persistence, thrown away at the end."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise ServerMissing("Redis is not installed; get it with: apt-get install redis-server")
        self.directory = Path(tempfile.mkdtemp(prefix="cache_me_redis_"))
        self.socket = str(self.directory / "redis.sock")
        self._command = [
            program, "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no",
            "--dir", str(self.directory),
        ]  # fmt: skip
        atexit.register(self.stop)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        give_up = time.monotonic() + 10
        while not os.path.exists(self.socket):
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("redis-server did not start")
            time.sleep(0.01)

    def flush(self) -> None:
        self.command("FLUSHALL")

    def command(self, *words: str) -> Any:
        import redis

        return redis.Redis(unix_socket_path=self.socket).execute_command(*words)

    def kill(self) -> None:
        """Stop it at once; :meth:`start` begins with an empty one."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)

    def stop(self) -> None:
        atexit.unregister(self.stop)
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Memcached:
    """A Memcached of its own on a unix socket, thrown away at the end."""

    def __init__(self) -> None:
        program = shutil.which("memcached")
        if program is None:
            raise ServerMissing("Memcached is not installed; get it with: apt-get install memcached")
        self.directory = Path(tempfile.mkdtemp(prefix="cache_me_memcached_"))
        self.socket = str(self.directory / "memcached.sock")
        self._command = [program, "-s", self.socket]
        if os.getuid() == 0:
            os.chmod(self.directory, 0o777)  # it gives up root for this user
            self._command += ["-u", "nobody", "-a", "0777"]
        atexit.register(self.stop)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        give_up = time.monotonic() + 10
        while not os.path.exists(self.socket):
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("memcached did not start")
            time.sleep(0.01)

    def kill(self) -> None:
        """Stop it at once; :meth:`start` begins with an empty one."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)

    def stop(self) -> None:
        atexit.unregister(self.stop)
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
