"""What people see, as text, HTML, SVG and Mermaid: plain data in, markup out. No I/O, no clock, no kernel."""
