"""A PostgreSQL server of one's own: made, started, killed as by a crash, copied to a standby, promoted."""

import glob
import os
import signal
import subprocess
import time

# Durable, as in production: what a crash may lose is what is tested.
SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0777
max_connections = 200
shared_buffers = '128MB'
fsync = on
full_page_writes = on
synchronous_commit = on
wal_level = logical
max_wal_size = '2GB'
max_wal_senders = 8
max_replication_slots = 8
hot_standby = on
wal_receiver_status_interval = '1s'
timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] '
"""


class Failure(Exception):
    """Something that the run cannot go on without."""


def binaries():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        raise Failure("there is no PostgreSQL server on this machine: run ops/setup")
    return os.path.dirname(found[-1])


class Cluster:
    def __init__(self, directory, name, port, settings=""):
        self.settings = settings
        self.root = os.path.join(directory, name)
        self.data = os.path.join(self.root, "data")
        self.port = port
        self.bin = binaries()
        # The server refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        self.process = None
        os.makedirs(self.root)
        if self.user:
            subprocess.run(["chown", self.user, self.root], check=True)

    def run(self, *command):
        result = subprocess.run(
            [os.path.join(self.bin, command[0]), *command[1:]], user=self.user, cwd=self.root, text=True,
            capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"{command[0]} failed: {result.stderr.strip()}")
        return result.stdout

    def make(self):
        self.run("initdb", "-D", self.data, "-U", "postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust")
        self.configure()

    def configure(self):
        """Of both servers of a pair: the standby's copy names the primary's socket."""
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write(SETTINGS + self.settings)
            file.write(f"port = {self.port}\nunix_socket_directories = '{self.root}'\n")

    def copy(self, name, port):
        """A standby of this running server, as it is now."""
        other = Cluster(os.path.dirname(self.root), name, port, self.settings)
        source = f"host={self.root} port={self.port} user=postgres application_name={name}"
        other.run("pg_basebackup", "-D", other.data, "-d", source, "-R", "-X", "stream", "-c", "fast")
        other.configure()
        return other

    def start(self):
        with open(os.path.join(self.root, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.bin, "postgres"), "-D", self.data], user=self.user, cwd=self.root, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"PostgreSQL did not start, see {self.root}/log")
            time.sleep(0.05)

    def answers(self):
        return subprocess.run(
            [os.path.join(self.bin, "pg_isready"), "-q", "-U", "postgres", "-d", "postgres", "-h", self.root, "-p",
             str(self.port)], check=False,
            stdin=subprocess.DEVNULL).returncode == 0

    def children(self):
        found = []
        for entry in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(entry, encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == self.process.pid:
                found.append(int(entry.split("/")[2]))
        return found

    def kill(self):
        """SIGKILL to the main process and to all of its children, as the machine's own crash would end them."""
        if self.process is None or self.process.poll() is not None:
            return
        victims = self.children()
        self.process.kill()
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        while any(os.path.exists(f"/proc/{victim}") for victim in victims):
            time.sleep(0.01)

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def promote(self):
        self.run("pg_ctl", "promote", "-D", self.data, "-w", "-t", "60")

    def command(self, sql, database="soak"):
        return [os.path.join(self.bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-h", self.root, "-p",
                str(self.port), "-U", "postgres", "-d", database, "-c", sql]

    def query(self, sql, database="soak"):
        """Rows, each a list of texts."""
        result = subprocess.run(
            self.command(sql, database), text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise Failure(f"psql: {result.stderr.strip()}")
        return [line.split("\t") for line in result.stdout.splitlines()]

    def lines(self, sql):
        """The first column of each row, as it comes."""
        with subprocess.Popen(self.command(sql), text=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as psql:
            yield from psql.stdout
        if psql.returncode != 0:
            raise Failure("psql failed")

    def log_count(self, text):
        with open(os.path.join(self.root, "log"), encoding="utf-8", errors="replace") as file:
            return sum(text in line for line in file)
