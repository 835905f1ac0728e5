"""A Spark session for one job: quiet, offline, bound to this machine where it runs here, and gone without a trace.

What Spark is told here comes first on the command line that starts its JVM, so `PYSPARK_SUBMIT_ARGS` of whoever runs it
has the last word, and `spark-defaults.conf` says what is not said here. Under `spark-submit` the session that is there
is used as it is.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.problems import InputError, OutsideError, Problem

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DEFAULT_MASTER: Final = "local[*]"
"""Every core of this machine."""

JAVA: Final = (
    "Spark needs Java 17 or newer, and {what}. "
    "Install it (Debian: apt-get install openjdk-17-jre-headless) or set JAVA_HOME."
)

_MASTERS: Final = ("local", "spark://", "yarn", "k8s://", "mesos://")
_LOG4J: Final = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark: %p %c{1}: %m%n%ex{0}
logger.task.name = org.apache.spark.scheduler.TaskSetManager
logger.task.level = off
logger.executor.name = org.apache.spark.executor.Executor
logger.executor.level = off
logger.write.name = org.apache.spark.sql.execution.datasources
logger.write.level = off
logger.python.name = org.apache.spark.api.python
logger.python.level = off
"""


@contextmanager
def spark_session(master: str | None, options: Mapping[str, str] | None = None) -> Iterator[SparkSession]:
    """Give a session and stop it afterwards, with every temporary file it made.

    Args:
        master: the cluster as Spark spells it (`local[4]`, `spark://host:7077`, `yarn`, `k8s://...`); None: the one of
            `spark-submit` where that started us, else every core of this machine.
        options: settings of Spark by name, which win over those made here.

    Raises:
        InputError: when PySpark is not installed, or the master is none.
        OutsideError: when Java is missing or too old, or the cluster can't be reached.
    """
    check_installed()
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    chosen = master or (None if submitted else DEFAULT_MASTER)
    _check_master(chosen)
    if not submitted:
        _check_java()
    folder = Path(tempfile.mkdtemp(prefix="harness-spark-"))
    try:
        with _interrupts_noted() as noted, _environment(chosen, folder), _stderr_of_java(folder):
            session = _started(chosen, folder, options or {})
        try:
            if noted:
                raise KeyboardInterrupt
            yield session
        finally:
            _stopped(session, ends_java=not submitted)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_local(master: str | None) -> bool:
    """Return whether a master is this machine."""
    return master is not None and master.startswith("local")


def check_installed() -> None:
    """Find out whether PySpark is there.

    Raises:
        InputError: when it is not, with the command that installs it.
    """
    try:
        import pyspark  # noqa: F401
    except ImportError:
        message = "--engine spark needs PySpark, which is not installed"
        raise InputError([Problem("", None, "--engine", message, "pip install 'identity-harness[spark]'")]) from None


def _check_master(master: str | None) -> None:
    if master is not None and not master.startswith(_MASTERS):
        message = f"{master[:80]!r} is no master that Spark knows"
        fix = "Expected local[*], local[N], spark://HOST:PORT, yarn or k8s://HOST:PORT."
        raise InputError([Problem("", None, "--master", message, fix)])


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if home:
        if not (Path(home) / "bin" / "java").exists():
            raise OutsideError(JAVA.format(what=f"JAVA_HOME ({home}) holds no bin/java"))
        return
    if shutil.which("java") is None:
        raise OutsideError(JAVA.format(what="no java was found"))


@contextmanager
def _interrupts_noted() -> Iterator[list[int]]:
    """Note a Ctrl-C in place of obeying it: a JVM that is left alone while it starts would stay."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _environment(master: str | None, folder: Path) -> Iterator[None]:
    """Set what Spark reads while it starts: settings that the user's own come after, and for a job here, this machine.

    Workers here use the Python that runs us.
    """
    if master is None:
        yield
        return
    before = dict(os.environ)
    settings = [f"--conf {shlex.quote(f'{name}={value}')}" for name, value in _settings(master, folder).items()]
    os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join([*settings, os.environ.get("PYSPARK_SUBMIT_ARGS", "pyspark-shell")])
    if is_local(master):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _stderr_of_java(folder: Path) -> Iterator[None]:
    """Keep what Java says while it starts out of the user's sight; the reason of a failed start is told by us.

    The JVM inherits the descriptor it is started with, so its log goes to a file of the session's folder as well.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    log = os.open(folder / "java.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.dup2(log, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(log)


def _started(master: str | None, folder: Path, options: Mapping[str, str]) -> SparkSession:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("identity-harness")
    if master is not None:
        builder = builder.master(master)
    for name, value in {**_ALWAYS, **options}.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except PySparkException as error:
        said = _last_words(folder / "java.log") or str(error).splitlines()[0]
        raise OutsideError(JAVA.format(what=f"the one found did not start it: {said}")) from None
    except Exception as error:  # py4j's errors are many, and the JVM's own reasons are in their text
        raise OutsideError(f"Spark did not start on {master}: {reason_of(error)}") from None
    session.sparkContext.setLogLevel("ERROR")
    return session


_ALWAYS: Final = {
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.sql.session.timeZone": "UTC",
}
"""What tasks rely on, whoever started Spark."""


def _settings(master: str, folder: Path) -> dict[str, str]:
    log4j = folder / "log4j2.properties"
    log4j.write_text(_LOG4J, "utf-8")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file:{log4j} -Dderby.system.home={folder}",
        "spark.log.structuredLogging.enabled": "false",
    }
    if is_local(master):
        settings |= {
            "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": "2g",
            "spark.local.dir": str(folder / "blocks"),
        }
    return settings


def _stopped(session: SparkSession, *, ends_java: bool) -> None:
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark import SparkContext

    try:
        session.stop()
    except (Py4JError, OSError):
        # Java is gone already, and with it all there was to stop; why is told by whoever noticed.
        SparkContext._active_spark_context = None
    if ends_java:
        _close_gateway()


def _close_gateway() -> None:
    """End the JVM too: it would keep its temporary folders until Python ends."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway is None:
        return
    with suppress(Exception):  # it may be gone
        gateway.shutdown()
    process = getattr(gateway, "proc", None)
    if process is not None:
        with suppress(OSError):
            process.stdin.close()
        process.wait(timeout=60)
    SparkContext._gateway = None
    SparkContext._jvm = None


def reason_of(error: BaseException) -> str:
    """Return the innermost reason of an error of Spark in one line, without the trace of the JVM or of a task."""
    java = getattr(error, "java_exception", None)
    # PySpark keeps the trace of the JVM, where the reasons of the reason stand, out of most of its messages.
    text = f"{java or error}\n{getattr(error, '_stackTrace', None) or (error if java else '')}"
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    if "Traceback (most recent call last):" in text:
        within = lines[max(at for at, line in enumerate(lines) if line.endswith("(most recent call last):")) + 1 :]
        causes = [line for line in within if not line.startswith(" ")][:1] or causes
    return (causes[-1] if causes else lines[0] if lines else type(error).__name__)[:500]


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "rror" in line or "xception" in line), lines[-1] if lines else "")
