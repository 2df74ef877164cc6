/// What is particular to Mesa where no graphics chip stands behind it.
package enum Mesa {
  /// Whether a device is llvmpipe, which draws on the host's cores, whichever platform lends it:
  /// Mesa's own rusticl and Clover, or clvk.
  ///
  /// It ends every loop of a work-item after 65,535 rounds, all its loops counted together, without
  /// a word (`LP_MAX_TGSI_LOOP_ITERATIONS` in Mesa's sources, seen with 22.3).
  static func isSoftware(_ device: String) -> Bool { device.hasPrefix("llvmpipe") }

  /// What a user should know who computes there.
  package static let softwareWarning =
    "llvmpipe ends loops after 65,535 rounds, so that large pictures may come out wrong, and is "
    + "slow: -d cpu computes on the same cores"
}
