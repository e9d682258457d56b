"""What a trained net looks at: Grad-CAM through its layers (appendix A.6, Figures 8 and 9)."""
