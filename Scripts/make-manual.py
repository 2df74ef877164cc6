#!/usr/bin/env python3
"""Writes a manual page for the program and one for each command, from what --experimental-dump-help prints.

usage: restormer --experimental-dump-help | Scripts/make-manual.py FOLDER
"""
import json
import os
import sys


def text(value):
    """Plain text as roff: nothing in it is taken for a request or a dash for a hyphen."""
    escaped = value.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\n".join("\\&" + line if line.startswith(".") else line for line in escaped.split("\n"))


def label(name):
    return ("--" if name["kind"] == "long" else "-") + name["name"]


def heading(argument):
    """How an argument is written: its names and what it takes."""
    value = "\\fI" + text(argument.get("valueName", "value").upper()) + "\\fR"
    if argument["kind"] == "positional":
        return value + (" ..." if argument.get("isRepeating") else "")
    names = ", ".join("\\fB" + text(label(name)) + "\\fR" for name in argument["names"])
    return names if argument["kind"] == "flag" else names + " " + value


def options(arguments):
    lines = []
    for argument in arguments:
        if not argument.get("shouldDisplay", True):
            continue
        lines += [".TP", heading(argument), text(argument.get("abstract", "").strip() or "\\&")]
        if argument.get("defaultValue"):
            lines.append(text("Default: " + argument["defaultValue"] + "."))
        if argument.get("allValues"):
            lines.append(text("One of " + ", ".join(argument["allValues"]) + "."))
    return lines


def page(command, parents):
    path = parents + [command["commandName"]]
    name = "-".join(path)
    lines = [f'.TH "{name.upper()}" 1 "" "restormer" "User Commands"', ".SH NAME",
             text(name) + " \\- " + text(command.get("abstract", "").rstrip("."))]
    arguments = command.get("arguments", [])
    lines += [".SH SYNOPSIS", "\\fB" + text(" ".join(path)) + "\\fR"]
    if any(argument["kind"] != "positional" for argument in arguments):
        lines.append("[\\fIOPTIONS\\fR]")
    lines += [heading(argument) for argument in arguments if argument["kind"] == "positional"]
    commands = [one for one in command.get("subcommands", []) if one["commandName"] != "help"]
    if commands:
        lines.append("\\fICOMMAND\\fR")
    if command.get("discussion"):
        lines.append(".SH DESCRIPTION")
        for paragraph in command["discussion"].split("\n\n"):
            lines += [".PP", text(" ".join(paragraph.split()))]
    if commands:
        lines.append(".SH COMMANDS")
        for one in commands:
            lines += [".TP", "\\fB" + text("-".join(path + [one["commandName"]])) + "\\fR(1)",
                      text(one.get("abstract", ""))]
    if arguments:
        lines += [".SH OPTIONS"] + options(arguments)
    lines.append(".SH EXIT STATUS")
    for code, meaning in [("0", "success"), ("1", "a fault, told on standard error in a line that begins with 'error:'"),
                          ("64", "wrong options"), ("130, 143", "ended by Ctrl-C, by SIGTERM")]:
        lines += [".TP", text(code), text(meaning)]
    if parents:
        lines += [".SH SEE ALSO", "\\fB" + text(parents[0]) + "\\fR(1)"]
    return name, "\n".join(lines) + "\n"


def write(command, parents, folder):
    name, roff = page(command, parents)
    with open(os.path.join(folder, name + ".1"), "w") as file:
        file.write(roff)
    for one in command.get("subcommands", []):
        if one["commandName"] != "help":
            write(one, parents + [command["commandName"]], folder)


write(json.load(sys.stdin)["command"], [], sys.argv[1])
