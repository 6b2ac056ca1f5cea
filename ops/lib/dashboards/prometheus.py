"""A Prometheus of one's own: configured, started as a child on loopback, asked, and stopped."""

import json
import math
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from cluster import Failure
from soak.programs import free_port

LIBRARY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The longest answer of a query that is waited for.
PATIENCE = 30


def install():
    """The directory of prometheus and promtool."""
    script = ('here=$1; . "$here/common.sh"; . "$here/paths.sh"; . "$here/prometheus.sh"; '
              "install_prometheus >&2; prometheus_directory")
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script, "dashboards", LIBRARY], text=True, stdout=subprocess.PIPE,
        check=False, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise Failure("there is no prometheus")
    return result.stdout.strip()


def promtool(programs, *arguments, text=None):
    """(whether it is content, what it says)"""
    result = subprocess.run(
        [os.path.join(programs, "promtool"), *arguments], text=True, input=text if text is not None else "",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return result.returncode == 0, result.stdout.strip()


class Prometheus:
    def __init__(self, programs, directory, rules, target):
        self.programs = programs
        self.directory = os.path.join(directory, "prometheus")
        self.port = free_port()
        self.process = None
        os.makedirs(self.directory)
        self.configuration = os.path.join(self.directory, "prometheus.yml")
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(f"""global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}
rule_files: [ "{rules}" ]
scrape_configs:
  - job_name: gboost
    static_configs: [ {{ targets: [ "127.0.0.1:{target}" ] }} ]
""")

    def start(self):
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.programs, "prometheus"), "--config.file", self.configuration,
                 "--storage.tsdb.path", os.path.join(self.directory, "data"),
                 "--web.listen-address", f"127.0.0.1:{self.port}", "--log.level", "warn"],
                cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5):
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"prometheus did not start, see {self.directory}/log")
            time.sleep(0.1)

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, path, **parameters):
        """The data of an answer; Failure with Prometheus' own words."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Failure(json.load(error).get("error", str(error))) from error

    def rows(self, expression, instant, span):
        """Series with at least one number in the span: a quotient of nothing is no data."""
        if instant:
            series = self.ask("query", query=expression, time=span[1])["result"]
            return sum(not math.isnan(float(one["value"][1])) for one in series)
        series = self.ask("query_range", query=expression, start=span[0], end=span[1], step=1)["result"]
        return sum(any(not math.isnan(float(value)) for _, value in one["values"]) for one in series)

    def label_values(self, metric, label):
        found = self.ask("query", query=f"count by ({label}) ({metric})")["result"]
        return len([one for one in found if one["metric"].get(label)])
