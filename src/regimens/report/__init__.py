"""The report room: result files in, `reports/` out. Reads files only, imports nothing of ours but the error words."""
