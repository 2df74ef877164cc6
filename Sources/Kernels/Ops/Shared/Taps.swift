/// Row and column of the nine taps of a 3x3 kernel, in the order of its elements.
let taps = (0..<9).map { ($0 / 3, $0 % 3) }
