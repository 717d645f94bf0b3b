"""A run as JUnit XML, which CI systems show: a test case for each threshold and check. Pure."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from load.measured import Result
from load.report import words


def junit(result: Result) -> str:
    """A document of one suite, `load.<scenario>`.

    Thresholds and checks that do not hold are failures. Of an invalid or interrupted run they say
    nothing: they are skipped, and one more case, `the run is valid`, is an error, as it is in JUnit
    when a test could not be carried out.
    """
    asked = words.outcomes(result)
    is_void = result.verdict in words.VOID
    failures = 0 if is_void else sum(not outcome.passed for outcome in asked)
    suite = Element(
        "testsuite",
        name=words.printable(f"load.{result.scenario}"),
        tests=str(len(asked) + 1),
        failures=str(failures),
        errors=str(int(is_void)),
        skipped=str(len(asked) if is_void else 0),
        time=f"{sum(phase.seconds for phase in result.phases):.3f}",
        timestamp=words.printable(result.started_at),
    )
    properties = SubElement(suite, "properties")
    for name, value in (*words.settings(result), *words.versions(result)):
        SubElement(properties, "property", name=words.printable(name), value=words.printable(value))
    valid = _case(suite, result, "run", "the run is valid")
    if is_void:
        SubElement(valid, "error", message=words.printable(words.sentence(result)))
    for outcome in asked:
        case = _case(suite, result, outcome.kind, outcome.text)
        message = words.printable(outcome.detail or "did not hold")
        if is_void:
            SubElement(case, "skipped", message=f"the run is {result.verdict}: {message}")
        elif not outcome.passed:
            SubElement(case, "failure", message=message)
        elif outcome.detail:
            SubElement(case, "system-out").text = message
    suites = Element("testsuites", name="load")
    suites.append(suite)
    ElementTree.indent(suites)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ElementTree.tostring(suites, 'unicode')}\n"


def _case(suite: Element, result: Result, kind: str, name: str) -> Element:
    return SubElement(
        suite,
        "testcase",
        classname=words.printable(f"load.{result.scenario}.{kind}"),
        name=words.printable(name),
        time="0",
    )
