"""Questions the control plane asks an agent, one module per noun; frozen records only."""
