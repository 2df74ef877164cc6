import ArgumentParser

/// How much a command says besides its results.
struct TalkOptions: ParsableArguments {
  @Flag(name: [.short, .long], help: "Say nothing but results, warnings and errors.")
  var quiet = false

  func validate() throws {
    if quiet { Console.beQuiet() }
  }
}
