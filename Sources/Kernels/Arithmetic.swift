/// `value` rounded up to a multiple of `step`.
package func roundUp(_ value: Int, _ step: Int) -> Int { (value + step - 1) / step * step }

/// `value / step`, rounded up.
func ceilingQuotient(_ value: Int, _ step: Int) -> Int { (value + step - 1) / step }
