"""What a person sees of a load run: HTML, text and JUnit; runs compared, and merged to one."""
