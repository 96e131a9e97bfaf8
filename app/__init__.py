"""The application: everything that knows Gradio."""
