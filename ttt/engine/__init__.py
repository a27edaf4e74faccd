"""The model side: loading, batches, fine-tuning and scoring. torch, lightning and transformers live here."""
